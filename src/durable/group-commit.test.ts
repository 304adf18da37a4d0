import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GroupCommit } from "./group-commit.ts";

/** A disk whose commits are over when the test says so. */
class Disk {
  readonly commits: PromiseWithResolvers<void>[] = [];

  sync(): Promise<void> {
    const commit = Promise.withResolvers<void>();
    this.commits.push(commit);
    return commit.promise;
  }

  /** The newest commit is over, and all that follows from that has happened. */
  async done(): Promise<void> {
    this.commits.at(-1)?.resolve();
    await settled();
  }
}

let disk: Disk;
let ran: string[];
let group: GroupCommit;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  disk = new Disk();
  ran = [];
  group = new GroupCommit(
    (work) => work(),
    () => disk.sync(),
  );
});
afterEach(() => vi.useRealTimers());

/** Promises that follow from each other have run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

async function arrive(...names: string[]): Promise<void> {
  for (const name of names) void group.run(() => ran.push(name));
  await settled();
}

/** Two have come while the commit of a third was on its way, so that three are expected; none is left. */
async function threeOnTheirWay(): Promise<void> {
  await arrive("a");
  await arrive("b", "c");
  await disk.done();
  await arrive("a again");
  await disk.done();
  ran = [];
  disk.commits.length = 0;
}

it("runs who comes alone at once", async () => {
  for (const name of ["a", "b"]) {
    await arrive(name);
    expect(ran.splice(0)).toEqual([name]);
    await disk.done();
  }
  expect(disk.commits).toHaveLength(2);
  expect(vi.getTimerCount()).toBe(0);
});

it("has those who come during a commit share the next one, after it", async () => {
  await arrive("a");
  await arrive("b", "c");
  expect(ran).toEqual(["a"]);
  await disk.done();
  await vi.runAllTimersAsync();
  expect(ran).toEqual(["a", "b", "c"]);
  expect(disk.commits).toHaveLength(2);
});

it("waits for as many as were on their way, and no longer", async () => {
  await threeOnTheirWay();
  await arrive("d", "e");
  expect(ran).toEqual([]);
  await arrive("f");
  expect(ran).toEqual(["d", "e", "f"]);
  expect(disk.commits).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

it("does not wait for long where they do not come, and not again", async () => {
  await threeOnTheirWay();
  await arrive("d");
  await vi.runAllTimersAsync();
  expect(ran).toEqual(["d"]);
  await disk.done();
  await arrive("e");
  expect(ran).toEqual(["d", "e"]);
});

it("undoes one that throws, and no other of its commit", async () => {
  await arrive("a");
  const thrown = group.run(() => {
    throw new Error("undone");
  });
  const other = group.run(() => "kept");
  const both = Promise.allSettled([thrown, other]);
  await disk.done();
  await vi.runAllTimersAsync();
  expect(await both).toMatchObject([{ status: "rejected" }, { status: "fulfilled", value: "kept" }]);
});

it("goes on after a commit that failed", async () => {
  await arrive("a");
  disk.commits[0]?.reject(new Error("the disk is full"));
  await settled();
  await arrive("b");
  expect(ran).toEqual(["a", "b"]);
});
