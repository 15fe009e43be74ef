import { formattedValueToString, getValueFormat } from "@grafana/data";

import type { Run } from "../core/frozen.ts";
import { say } from "./words.ts";

const seconds = (value: number) => formattedValueToString(getValueFormat("s")(value));
const latency = (value?: Run["client"]["percentiles"][string]) => {
  if (value === undefined) return "–";
  if (typeof value === "number") return seconds(value);
  return value.high === null
    ? `> ${seconds(value.low)}`
    : `${seconds(value.value)} (${seconds(value.low)} – ${seconds(value.high)})`;
};

/** What a load test's client counted and measured, beside what Prometheus shows. */
export function RunTable({ run }: { run: Run }) {
  const { client, server, counts, model, problems } = run;
  // A name, what the client says, what the server says, and whether they agree.
  const lines: string[][] = [];
  for (const one of counts) {
    const result = one.agrees ? say("agrees") : say("disagrees");
    lines.push([`${one.task_type} ${one.status}`, `${one.client}`, `${one.server}`, result]);
  }
  lines.push([say("qps"), client.qps.toFixed(1), server.qps?.toFixed(1) ?? "–", ""]);
  for (const name of Object.keys({ ...client.percentiles, ...server.percentiles })) {
    lines.push([name.toUpperCase(), latency(client.percentiles[name]), latency(server.percentiles[name]), ""]);
  }
  for (const [task, { p95 }] of Object.entries(server.percentiles_by_task)) {
    lines.push([`P95 ${task}`, "", latency(p95), ""]);
  }
  return (<main className="run">
    <h1>{say("run", { scenario: run.scenario, connections: `${run.connections}`, time: seconds(run.seconds) })}</h1>
    <p>{model.name} {model.revision} {model.demo && <strong>{say("demo")}</strong>}</p>
    <table>
      <tbody>
        <tr>{["", say("client"), say("server"), ""].map((name, index) => <th key={index}>{name}</th>)}</tr>
        {lines.map((line) => <tr key={line[0]}>{line.map((cell, index) => <td key={index}>{cell}</td>)}</tr>)}
      </tbody>
    </table>
    {problems.map((problem) => <p key={problem} role="alert">{problem}</p>)}
  </main>);
}
