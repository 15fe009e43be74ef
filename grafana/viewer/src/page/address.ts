import { useObservable } from "react-use";
import { BehaviorSubject } from "rxjs";

type Changes = Record<string, string | string[] | undefined>;

// A report opened from disk has one address that may not change: what is chosen there lives only here.
const query = new BehaviorSubject(location.search);
window.addEventListener("popstate", () => query.next(location.search));

/** The part of the page's address after the question mark, in Grafana's own names. */
export const useAddress = (): URLSearchParams => new URLSearchParams(useObservable(query, query.value));

/** The address with some parts changed; `undefined` takes a part out. */
export function addressWith(changes: Changes): string {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of [value ?? []].flat()) next.append(name, one);
  }
  return next.size ? `?${next}` : "";
}

/** Changes parts of the address. Each change can be taken back in the browser. */
export function changeAddress(changes: Changes): void {
  const text = addressWith(changes);
  if (location.protocol !== "file:") history.pushState(null, "", `${location.pathname}${text}`);
  query.next(text);
}

/** The variables in the address, `var-name=value`. */
export function variablesIn(address: URLSearchParams): Record<string, string[]> {
  const names = [...new Set(address.keys())].filter((name) => name.startsWith("var-"));
  return Object.fromEntries(names.map((name) => [name.slice("var-".length), address.getAll(name)]));
}
