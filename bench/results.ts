import type { ExchangeFigures } from "./exchange.ts";
import type { GrowthFigures } from "./growth.ts";
import type { OperationMeasurement } from "./operations.ts";
import type { ProxyMeasurement } from "./proxy.ts";
import type { RevocationFigures } from "./revocation.ts";
import type { StartFigures } from "./start.ts";

/** All that a run measured: `results.json`, from which every table and graph is drawn. */
export interface Results {
  /** ISO 8601, when the run ended. */
  readonly date: string;
  readonly mode: "full" | "quick";
  readonly seconds: number;
  readonly machine: {
    readonly processors: number;
    readonly model: string;
    readonly memory_gib: number;
    readonly platform: string;
    /** Processes that wanted a processor, on average over the minute before the run: what else went on. */
    readonly load_before: number;
  };
  readonly versions: Readonly<Record<string, string>>;
  readonly exchange: readonly ExchangeFigures[];
  readonly proxy: ProxyMeasurement;
  readonly revocation: readonly RevocationFigures[];
  readonly growth: readonly GrowthFigures[];
  readonly operations: OperationMeasurement;
  readonly start: StartFigures;
}
