import { dateTimeFormat, rangeUtil } from "@grafana/data";
import { isEqual } from "lodash";
import { useReducer, useRef, useState } from "react";
import { useAsync, useInterval, useTitle } from "react-use";

import { type Annotation, type Dashboard, type Panel, panelsOf, readDashboard, type Row } from "../core/dashboard.ts";
import { askMarks, choicesOf, fillAt, type Mark, type Moment, readRange, variablesAt } from "../core/panels.ts";
import { resolve, type Resolved } from "../core/variables.ts";
import { changeAddress, useAddress, variablesIn } from "./address.ts";
import { type DrawingProps, PanelView } from "./PanelView.tsx";
import { type Surroundings, useAwaySince } from "./surroundings.ts";
import { BoardLinks, Settings, TimeControls, TopLinks } from "./Toolbar.tsx";
import { say } from "./words.ts";

/** How often Prometheus is asked again while it is away. */
const RETRY_MS = 5000;

/** A moment of the dashboard; panels ask anew when it changes. `scope` tells a new view from a mere refresh. */
export interface Shown extends Moment {
  scope: string;
  resolved: Resolved[];
}

type View = { from: string; to: string; timeZone: string; wanted: Record<string, string[]> };

/** Finds the variables, then says what the panels are to show. While Prometheus is away the last values stay. */
function useShown(dashboard: Dashboard | undefined, view: View, tick: number, surroundings: Surroundings) {
  const last = useRef<Shown>();
  const scope = JSON.stringify(view);
  const { value, error } = useAsync(async () => {
    if (!dashboard) return undefined;
    const { frozen, source, scrapeSeconds } = surroundings;
    const wanted = frozen?.choices[dashboard.uid] ?? view.wanted;
    const range = readRange(view.from, view.to, view.timeZone);
    const moment = { uid: dashboard.uid, range, timeZone: view.timeZone, scrapeSeconds, source };
    const isRefresh = last.current?.scope === scope && !dashboard.variables.some(({ refresh }) => refresh === 2);
    let resolved = last.current?.resolved;
    let problem: string | undefined;
    try {
      if (!isRefresh || !resolved) resolved = await variablesAt(dashboard, moment, wanted);
    } catch (failed) {
      problem = (failed as Error).message;
      resolved ??= dashboard.variables.map((variable) => resolve(variable, [], wanted[variable.name]));
    }
    return { shown: { ...moment, scope, resolved, choices: choicesOf(resolved) }, problem };
  }, [dashboard, scope, tick, surroundings]);
  last.current = value?.shown ?? last.current;
  return { shown: last.current, problem: value?.problem ?? error?.message };
}

function useTicks(refresh: string, fixed: boolean): [number, () => void] {
  const [tick, refreshNow] = useReducer((count: number) => count + 1, 0);
  const away = useAwaySince() !== undefined;
  const wanted = refresh ? Math.max(1000, rangeUtil.intervalToMs(refresh)) : null;
  const pause = away ? Math.min(RETRY_MS, wanted ?? RETRY_MS) : wanted;
  useInterval(() => document.hidden || refreshNow(), fixed ? null : pause);
  return [tick, refreshNow];
}

function useMarks(annotations: Annotation[], shown: Shown | undefined): Mark[] {
  const last = useRef<Mark[]>([]);
  const names = annotations.map(({ name }) => name).join();
  const { value } = useAsync(async () => shown && askMarks(annotations, shown), [shown, names]);
  // Panels say what is wrong with Prometheus; marks just stay as they are. Equal ones make no panel draw again.
  if (value && !isEqual(value, last.current)) last.current = value;
  return last.current;
}

/** One dashboard. */
export function BoardPage({ uid, surroundings }: { uid: string; surroundings: Surroundings }) {
  const { value: dashboard, error: missing } = useAsync(async () => {
    if (!surroundings.boards.some((board) => board.uid === uid)) throw new Error(say("missing", { uid }));
    return readDashboard(await surroundings.readBoard(uid));
  }, [uid, surroundings]);
  const address = useAddress();
  const { frozen } = surroundings;
  const timeZone = address.get("timezone") || (dashboard?.timezone ?? "browser");
  const refresh = address.get("refresh") ?? dashboard?.refresh ?? "";
  const from = address.get("from") ?? `${frozen?.from ?? dashboard?.time.from}`;
  const to = address.get("to") ?? `${frozen?.to ?? dashboard?.time.to}`;
  const view = { from, to, timeZone, wanted: variablesIn(address) };
  const [tick, refreshNow] = useTicks(refresh, Boolean(frozen));
  const { shown, problem } = useShown(dashboard, view, tick, surroundings);
  const switchedOn = (dashboard?.annotations ?? []).filter(({ name, enable }) => {
    const wanted = address.get(`annotation-${name}`);
    return wanted ? wanted === "true" : enable;
  });
  const marks = useMarks(switchedOn, shown);
  const away = useAwaySince();
  useTitle(dashboard && !frozen ? `${dashboard.title} · ${say("title")}` : document.title);

  if (missing) return <p role="alert">{missing.message}</p>;
  if (!dashboard || !shown) return problem ? <p role="alert">{problem}</p> : null;
  const wantedPanel = Number(address.get("viewPanel")?.replace(/^panel-/, ""));
  const only = wantedPanel ? panelsOf(dashboard).find(({ id }) => id === wantedPanel) : undefined;
  const time = (ms: number) => dateTimeFormat(ms, { timeZone });
  const drawn = { shown, marks, graphTooltip: dashboard.graphTooltip };
  return (<main>
    <header className="top">
      <h1>{!frozen && <a href="/dashboards">{say("dashboards")}</a>} {dashboard.title}</h1>
      <TopLinks surroundings={surroundings} />
      {frozen
        ? <span>{say("frozen", { from: time(frozen.from), to: time(frozen.to) })}</span>
        : <TimeControls range={shown.range} timeZone={timeZone} refresh={refresh} onRefresh={refreshNow} />}
    </header>
    <Settings dashboard={dashboard} resolved={shown.resolved} switchedOn={switchedOn} fixed={Boolean(frozen)}>
      {only && <button onClick={() => changeAddress({ viewPanel: undefined })}>{say("back")}</button>}
      {!frozen && <BoardLinks links={dashboard.links} boards={surroundings.boards} uid={uid} fill={fillAt(shown)} />}
    </Settings>
    {away !== undefined && <p className="banner" role="alert">{say("away", { since: time(away) })}</p>}
    {problem && away === undefined && <p className="banner" role="alert">{problem}</p>}
    {only
      ? (<div className="single">
        <PanelView key={only.id} panel={only} {...drawn} />
      </div>)
      : (dashboard.rows.map((row, index) => <RowView key={row.id ?? index} row={row} {...drawn} />))}
  </main>);
}

type RowProps = { row: Row } & Pick<DrawingProps, "shown" | "marks" | "graphTooltip">;

function RowView({ row, shown, ...drawn }: RowProps) {
  const [collapsed, setCollapsed] = useState(row.collapsed);
  const top = Math.min(...row.panels.map(({ gridPos }) => gridPos.y));
  const place = ({ gridPos: { x, y, w, h } }: Panel) => ({ gridColumn: `${x + 1} / span ${w}`,
    gridRow: `${y - top + 1} / span ${h}`, "--rows": h });
  return (<section>
    {row.title !== undefined && (<h2>
      <button type="button" aria-expanded={!collapsed} onClick={() => setCollapsed(!collapsed)}>
        {fillAt(shown)(row.title, undefined, "text")}
      </button>
    </h2>)}
    {!collapsed
      && (<div className="grid">
        {row.panels.map((panel) => (<div key={panel.id} className="place" style={place(panel)}>
          <PanelView panel={panel} shown={shown} {...drawn} />
        </div>))}
      </div>)}
  </section>);
}
