import type { BreakGlass } from "../domain/break-glass.ts";

/** In what role somebody decides, where not simply as the approver that the policy names. */
export interface Role {
  readonly on_behalf_of?: string | undefined;
  /** Whether they are the admin who broke the glass. */
  readonly break_glass?: true | undefined;
  readonly broken?: BreakGlass | undefined;
}

/** Says so, where a human decides in somebody's place or alone; and to the others, that an admin may. */
export function RoleNote({ role: { on_behalf_of, break_glass, broken } }: { role: Role }) {
  return (
    <>
      {on_behalf_of !== undefined && (
        <p class="banner" role="note">
          <strong>
            You decide in the place of <bdi>{on_behalf_of}</bdi>, who is away.
          </strong>{" "}
          Your decision counts once, as theirs, and it is recorded that you made it.
        </p>
      )}
      {broken !== undefined && <GlassNote isBreaker={break_glass === true} broken={broken} />}
    </>
  );
}

function GlassNote({ isBreaker, broken }: { isBreaker: boolean; broken: BreakGlass }) {
  return (
    <p class="banner alarm" role="note">
      <strong>The glass is broken.</strong>{" "}
      {isBreaker ? (
        "You decide alone, in the place of everybody who was asked. They are all told, and one of them will review it."
      ) : (
        <>
          The admin <bdi>{broken.person}</bdi> may decide this alone. You still can, too.
        </>
      )}{" "}
      The reason: <bdi>{broken.reason}</bdi>
    </p>
  );
}
