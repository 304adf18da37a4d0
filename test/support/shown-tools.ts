import type { TestWorld } from "./world.ts";

/** What a server shows and its owner has not accepted. */
export interface Difference {
  readonly digest: string;
  readonly tools: { name: string; shown: { description: string }; accepted: { description: string } | null }[];
}

/** What waits for the owner of the server `tickets`, as its operator sees it. */
export async function differenceAt({ broker }: TestWorld): Promise<Difference | null> {
  const { body } = await broker.admin("GET", "/admin/servers");
  return (body["servers"] as { id: string; difference: Difference | null }[]).find(({ id }) => id === "tickets")!
    .difference;
}

/** Its operator decides on just that. */
export async function decideDifference(
  { broker }: TestWorld,
  decision: "accept" | "dismiss",
  { digest }: Pick<Difference, "digest">,
): Promise<{ status: number }> {
  return broker.admin("POST", `/admin/servers/tickets/${decision}`, { digest });
}

/** Its operator accepts all that it has shown and nobody has accepted. */
export async function acceptShown(world: TestWorld): Promise<void> {
  const difference = await differenceAt(world);
  if (difference === null) throw new Error("the server has shown nothing that waits to be accepted");
  await decideDifference(world, "accept", difference);
}
