/** In what role somebody decides, where not simply as the approver that the policy names. */
export interface Role {
  readonly on_behalf_of?: string | undefined;
}

/** Says so, where a human decides in somebody's place. */
export function RoleNote({ role: { on_behalf_of } }: { role: Role }) {
  if (on_behalf_of === undefined) return null;
  return (
    <p class="banner" role="note">
      <strong>
        You decide in the place of <bdi>{on_behalf_of}</bdi>, who is away.
      </strong>{" "}
      Your decision counts once, as theirs, and it is recorded that you made it.
    </p>
  );
}
