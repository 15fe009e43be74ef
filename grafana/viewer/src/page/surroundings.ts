import { rangeUtil } from "@grafana/data";
import { useObservable } from "react-use";
import { BehaviorSubject } from "rxjs";

import type { Options } from "../core/dashboard.ts";
import type { Frozen } from "../core/frozen.ts";
import { httpSource, PrometheusAway, QueryError, type Source } from "../core/prometheus.ts";

export interface BoardSummary {
  uid: string;
  title: string;
  tags?: string[];
  folder?: string;
  file?: string;
  /** Why the file can't be used. */
  error?: string;
}

/** Where the page is: its server or a report, and which other pages there are. */
export interface Surroundings {
  source: Source;
  boards: BoardSummary[];
  readBoard: (uid: string) => Promise<Options>;
  scrapeSeconds: number;
  links: { prometheus?: string; inbox?: string; alertmanager?: string };
  frozen?: Frozen;
}

type Settings = { scrape_interval: string; links: Surroundings["links"] };

async function json<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function frozenSource({ answers, errors }: Frozen): Source {
  return { async ask({ key }) {
    if (errors[key]) throw new QueryError(errors[key]);
    return answers[key] ?? { answer: { resultType: "vector", result: [] } };
  }, labelValues: async () => [] };
}

/** Finds out where the page is. */
export async function lookAround(): Promise<Surroundings> {
  const held = document.getElementById("frozen")?.textContent;
  if (held) {
    const frozen: Frozen = JSON.parse(held);
    return { source: frozenSource(frozen), boards: frozen.boards.map(({ uid, title, tags }) => ({ uid, title, tags })),
      readBoard: async (uid) => frozen.boards.find((board) => board.uid === uid)!, scrapeSeconds: frozen.scrapeSeconds,
      links: {}, frozen };
  }
  const [settings, boards] = await Promise.all([json<Settings>("/api/settings"), json<BoardSummary[]>("/api/boards")]);
  return { source: watched(httpSource("/api/datasource")), boards,
    readBoard: (uid) => json(`/api/boards/${encodeURIComponent(uid)}`),
    scrapeSeconds: rangeUtil.intervalToMs(settings.scrape_interval) / 1000, links: settings.links };
}

let lastAnswer = Date.now();
const awaySince = new BehaviorSubject<number | undefined>(undefined);

/** Since when Prometheus has not answered, in milliseconds since 1970; undefined while it does. */
export const useAwaySince = (): number | undefined => useObservable(awaySince, awaySince.value);

function note(answered: boolean) {
  if (answered) lastAnswer = Date.now();
  awaySince.next(answered ? undefined : (awaySince.value ?? lastAnswer));
}

/** A source that also tells the page whether Prometheus answers. */
function watched(source: Source): Source {
  const watch = async <T>(answer: Promise<T>): Promise<T> => {
    const start = Date.now();
    try {
      const given = await answer;
      note(true);
      return given;
    } catch (error) {
      // One query that takes too long, while others are answered, is no sign that Prometheus is away.
      if (error instanceof PrometheusAway && lastAnswer <= start) note(false);
      else if (error instanceof QueryError) note(true);
      throw error;
    }
  };
  return { ask: (question, signal) => watch(source.ask(question, signal)),
    labelValues: (...given) => watch(source.labelValues(...given)) };
}
