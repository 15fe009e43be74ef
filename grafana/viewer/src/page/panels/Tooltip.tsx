import { dateTimeFormat } from "@grafana/data";

import type { Mark } from "../../core/panels.ts";

type Props = { time: number; timeZone: string; lines: { color?: string; label: string; value: string }[];
  marks?: Mark[] };

/** What stands beside the pointer: the time, a line a series, and the marks near it. */
export function Tooltip({ time, timeZone, lines, marks = [] }: Props) {
  return (<div className="tooltip">
    <strong>{dateTimeFormat(time, { timeZone })}</strong>
    <table>
      <tbody>
        {lines.map(({ color, label, value }, index) => (<tr key={index}>
          <td>
            <span className="swatch" style={{ background: color }} /> {label}
          </td>
          <td>{value}</td>
        </tr>))}
      </tbody>
    </table>
    {marks.map((mark, index) => <div key={index}>{mark.title || mark.source} {mark.text}</div>)}
  </div>);
}
