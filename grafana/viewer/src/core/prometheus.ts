/** A sample: seconds since 1970, and the value as Prometheus writes it ("NaN", "+Inf"). */
export type Sample = [number, string];

export type Series = { metric: Record<string, string>; value?: Sample; values?: Sample[] };

export type Answer = { resultType: "matrix" | "vector"; result: Series[]; warnings?: string[] } | {
  resultType: "scalar" | "string";
  result: Sample;
  warnings?: string[];
};

/** A question with its variables filled in. Times in seconds since 1970; `step` in seconds, only for a range. */
export type Question = { key: string; expr: string; start: number; end: number; step?: number };

/** What Prometheus said, and the step in seconds that it was asked with. */
export type Answered = { answer: Answer; step?: number };

/** Prometheus understood the question and refused it: the question has to be changed. */
export class QueryError extends Error {}

/** Prometheus can't be asked: it is down, out of reach, or takes too long. */
export class PrometheusAway extends Error {}

/** Whoever answers: Prometheus itself, the viewer's server before it, or the answers kept in a report. */
export interface Source {
  /** @throws QueryError or PrometheusAway */
  ask(question: Question, signal?: AbortSignal): Promise<Answered>;
  /** @returns the values of a label, of the series that a selector picks, within a time in seconds */
  labelValues(label: string, selector: string | undefined, start: number, end: number): Promise<string[]>;
}

const TIMEOUT_MS = 30_000;

/**
 * Asks over HTTP.
 *
 * @param base the address before `/query`: Prometheus' own ends in `/api/v1`, the viewer's server's in `/api/datasource`
 */
export function httpSource(base: string): Source {
  async function get<T>(path: string, request: RequestInit, signal?: AbortSignal): Promise<T> {
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    const until = signal ? AbortSignal.any([signal, limit]) : limit;
    const response = await fetch(`${base}/${path}`, { ...request, signal: until }).catch((error: Error) => {
      if (signal?.aborted) throw error;
      throw new PrometheusAway(`${base} does not answer: ${error.message}`);
    });
    const body = await response.json().catch(() => undefined);
    signal?.throwIfAborted();
    if (body?.status === "success") return body;
    const said = body?.error ?? `status ${response.status}`;
    // 422 and 400: the question is wrong. Everything else (502, 503 while it starts, 504) may pass.
    if (response.status === 400 || response.status === 422) throw new QueryError(said);
    throw new PrometheusAway(`${base} answers ${said}`);
  }
  return { async ask({ expr, start, end, step }, signal) {
    const fields: Record<string, string> = step
      ? { query: expr, start: `${start}`, end: `${end}`, step: `${step}` }
      : { query: expr, time: `${end}` };
    const post = { method: "POST", body: new URLSearchParams(fields) };
    const path = step ? "query_range" : "query";
    const { data, warnings } = await get<{ data: Answer; warnings?: string[] }>(path, post, signal);
    return { answer: { ...data, warnings }, step };
  }, async labelValues(label, selector, start, end) {
    const fields = new URLSearchParams({ start: `${start}`, end: `${end}`, ...(selector && { "match[]": selector }) });
    return (await get<{ data: string[] }>(`label/${encodeURIComponent(label)}/values?${fields}`, {})).data;
  } };
}
