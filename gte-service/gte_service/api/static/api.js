// Sends requests to /predict and describes their outcome; writes the same request for the shell.

// Relative to the page, which a proxy may show under a prefix.
const PREDICT = new URL("predict", document.baseURI);

/**
 * Send a body. Resolves, never rejects, unless `signal` aborts:
 * `{sent, status, text, body, requestId, phases: [{name, ms}]}`; `body` is null when the answer is not JSON,
 * `status` is 0 when there was no answer at all.
 */
export async function predict(sent, key, signal) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    const answer = await fetch(PREDICT, { method: "POST", headers, body: sent, signal });
    const text = await answer.text();
    return {
      sent,
      text,
      status: answer.status,
      body: parsed(text),
      requestId: answer.headers.get("X-Request-ID") || "",
      phases: phasesOf(answer.headers.get("Server-Timing") || ""),
    };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { sent, text: "", status: 0, body: null, requestId: "", phases: [] };
  }
}

/** JSON as a value, or null. */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The phases of a Server-Timing header, in its order. */
export function phasesOf(header) {
  return [...header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)].map(([, name, ms]) => ({ name, ms: Number(ms) }));
}

/** The request as one command for a POSIX shell. */
export function curl(body, withKey) {
  const parts = [
    `curl -X POST ${quoted(PREDICT.href)}`,
    `-H ${quoted("Content-Type: application/json")}`,
    ...(withKey ? ['-H "Authorization: Bearer $GTE_API_KEY"'] : []),
    // Unlike -d, this reads no file when the body begins with @.
    `--data-raw ${quoted(body)}`,
  ];
  return parts.join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}
