import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());
window.addEventListener("popstate", tell);

// A report opened from disk has one address that may not change; what is chosen there lives here.
let query = location.search;

/** The part of the page's address after the question mark, in Grafana's own names. */
export function useAddress(): URLSearchParams {
  const text = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, () => (location.protocol === "file:" ? query : location.search));
  return new URLSearchParams(text);
}

/** The address with some parts changed; `undefined` takes a part out. */
export function addressWith(changes: Record<string, string | string[] | undefined>): string {
  const next = new URLSearchParams(location.protocol === "file:" ? query : location.search);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of [value ?? []].flat()) next.append(name, one);
  }
  return next.size ? `?${next}` : "";
}

/** Changes parts of the address. Each change can be taken back in the browser. */
export function changeAddress(changes: Record<string, string | string[] | undefined>): void {
  const text = addressWith(changes);
  if (location.protocol === "file:") query = text;
  else history.pushState(null, "", `${location.pathname}${text}`);
  tell();
}

/** The variables in the address, `var-name=value`. */
export function variablesIn(address: URLSearchParams): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, value] of address) if (name.startsWith("var-")) (found[name.slice(4)] ??= []).push(value);
  return found;
}
