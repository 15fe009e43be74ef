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
  const rows: [string, string, string, boolean?][] = [
    ...counts.map((
      one
    ): [string, string, string, boolean] => [`${one.task_type} ${one.status}`, `${one.client}`, `${one.server}`,
      one.agrees]
    ),
    [say("qps"), client.qps.toFixed(1), server.qps === null ? "–" : server.qps.toFixed(1)],
    ...Object.keys({ ...client.percentiles, ...server.percentiles }).map((
      name
    ): [string, string, string] => [name.toUpperCase(), latency(client.percentiles[name]),
      latency(server.percentiles[name])]
    ),
    ...Object.entries(server.percentiles_by_task).map((
      [task, { p95 }]
    ): [string, string, string] => [`P95 ${task}`, "", latency(p95)])
  ];
  return (<main className="run">
    <h1>{say("run", { scenario: run.scenario, connections: `${run.connections}`, time: seconds(run.seconds) })}</h1>
    <p>{model.name} {model.revision} {model.demo && <strong>{say("demo")}</strong>}</p>
    <table>
      <thead>
        <tr>{["", say("client"), say("server"), ""].map((name, index) => <th key={index}>{name}</th>)}</tr>
      </thead>
      <tbody>
        {rows.map(([name, ours, theirs, agrees]) => (<tr key={name}>
          <td>{name}</td>
          <td>{ours}</td>
          <td>{theirs}</td>
          <td>{agrees === undefined ? "" : agrees ? say("agrees") : say("disagrees")}</td>
        </tr>))}
      </tbody>
    </table>
    {problems.map((problem) => <p key={problem} role="alert">{problem}</p>)}
  </main>);
}
