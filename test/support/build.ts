import { buildWorker } from "../../scripts/build.ts";

/** Builds the worker once, before any test starts a broker. */
export default function setup(): void {
  buildWorker();
}
