import type { Options } from "./dashboard.ts";
import type { Answered } from "./prometheus.ts";

/** A latency in seconds; from a histogram, the bounds that it lies between. */
type Latency = number | { low: number; high: number | null; value: number };

/** What the load test writes with `--json`. */
export interface Run {
  scenario: string;
  connections: number;
  seconds: number;
  model: { name: string; revision: string; demo?: boolean };
  counts: { task_type: string; status: string; client: number; server: number; agrees: boolean }[];
  client: { qps: number; percentiles: Record<string, Latency> };
  server: { qps: number | null; percentiles: Record<string, Latency>;
    percentiles_by_task: Record<string, Record<string, Latency>> };
  problems: string[];
  agrees: boolean;
}

/** What a report holds: dashboards with the answers to their questions, and the table of a load test. */
export interface Frozen {
  /** Milliseconds since 1970, as `to`. */
  from: number;
  to: number;
  boards: Options[];
  /** By the key of their question. */
  answers: Record<string, Answered>;
  /** What Prometheus said to the questions that it refused. */
  errors: Record<string, string>;
  /** The values of variables by the uid of their dashboard and their name. */
  choices: Record<string, Record<string, string[]>>;
  /** The names of all labels in the answers. */
  labels: string[];
  scrapeSeconds: number;
  run?: Run;
}
