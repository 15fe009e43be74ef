import { dateTimeFormat } from "@grafana/data";
import { useEffect, useMemo, useRef, useState } from "react";

import { type Annotation, type Dashboard, type Panel, panelsOf, readDashboard, type Row } from "../core/dashboard.ts";
import { askMarks, choicesOf, fillAt, type Mark, type Moment, readRange, variablesAt } from "../core/panels.ts";
import { choose, type Resolved } from "../core/variables.ts";
import { changeAddress, useAddress, variablesIn } from "./address.ts";
import { type DrawingProps, PanelView } from "./PanelView.tsx";
import { type Surroundings, useAwaySince } from "./surroundings.ts";
import { BoardLinks, refreshMs, Settings, TimeControls, TopLinks } from "./Toolbar.tsx";
import { say } from "./words.ts";

/** How often Prometheus is asked again while it is away. */
const RETRY_MS = 5000;

/** A moment of the dashboard; panels ask anew when it changes. `scope` tells a new view from a mere refresh. */
export interface Shown extends Moment {
  scope: string;
  resolved: Resolved[];
}

interface View {
  from: string;
  to: string;
  timeZone: string;
  wanted: Record<string, string[]>;
}

/** Finds the variables, then says what the panels are to show. While Prometheus is away the last values stay. */
function useShown(dashboard: Dashboard | undefined, view: View | undefined, tick: number, surroundings: Surroundings) {
  const [shown, setShown] = useState<Shown>();
  const [problem, setProblem] = useState<string>();
  const before = useRef<Shown>();
  const key = JSON.stringify(view);
  useEffect(() => {
    if (!dashboard || !view) return undefined;
    let current = true;
    const start = async () => {
      const { frozen, source, scrapeSeconds } = surroundings;
      const wanted = frozen?.choices[dashboard.uid] ?? view.wanted;
      const range = readRange(view.from, view.to, view.timeZone);
      const moment = { uid: dashboard.uid, range, timeZone: view.timeZone, scrapeSeconds, source };
      const last = before.current;
      const isRefresh = last?.scope === key && !dashboard.variables.some(({ refresh }) => refresh === 2);
      let resolved = last?.resolved;
      try {
        if (frozen) resolved = dashboard.variables.map((variable) => held(variable, wanted[variable.name]));
        else if (!isRefresh || !resolved) resolved = await variablesAt(dashboard, moment, wanted);
        if (current) setProblem(undefined);
      } catch (error) {
        resolved ??= dashboard.variables.map((variable) => held(variable, wanted[variable.name]));
        if (current) setProblem((error as Error).message);
      }
      if (!current) return;
      before.current = { ...moment, scope: key, resolved, choices: choicesOf(resolved) };
      setShown(before.current);
    };
    start().catch((error: Error) => current && setProblem(error.message));
    return () => {
      current = false;
    };
  }, [dashboard, key, tick, surroundings]);
  return { shown, problem };
}

/** A variable without its options: what the address or the file says. */
function held(variable: Dashboard["variables"][number], wanted?: string[]): Resolved {
  const values = wanted ?? [variable.current?.value ?? []].flat();
  const options = values.filter((value) => value !== "$__all").map((value) => ({ text: value, value }));
  return { variable, options, chosen: choose(variable, options, wanted) };
}

function useTicks(refresh: string, fixed: boolean): [number, () => void] {
  const [tick, setTick] = useState(0);
  const away = useAwaySince() !== undefined;
  const wanted = refreshMs(refresh);
  const pause = away ? Math.min(RETRY_MS, wanted ?? RETRY_MS) : wanted;
  useEffect(() => {
    if (!pause || fixed) return undefined;
    const timer = setInterval(() => !document.hidden && setTick((count) => count + 1), pause);
    return () => clearInterval(timer);
  }, [pause, fixed]);
  return [tick, () => setTick((count) => count + 1)];
}

function useMarks(annotations: Annotation[], shown: Shown | undefined): Mark[] {
  const [marks, setMarks] = useState<Mark[]>([]);
  const names = annotations.map(({ name }) => name).join();
  useEffect(() => {
    if (!shown) return undefined;
    const abort = new AbortController();
    // Panels say what is wrong with Prometheus; marks just stay as they are.
    askMarks(annotations, shown, abort.signal).then(setMarks, () => undefined);
    return () => abort.abort();
  }, [shown, names]);
  return marks;
}

function useBoard(uid: string, surroundings: Surroundings) {
  const [dashboard, setDashboard] = useState<Dashboard>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const known = surroundings.boards.some((board) => board.uid === uid);
    if (!known) setProblem(say("missing", { uid }));
    else
      surroundings.readBoard(uid).then((model) => setDashboard(readDashboard(model)),
        (error: Error) => setProblem(error.message));
  }, [uid, surroundings]);
  return { dashboard, problem };
}

/** One dashboard. */
export function BoardPage({ uid, surroundings }: { uid: string; surroundings: Surroundings }) {
  const { dashboard, problem: missing } = useBoard(uid, surroundings);
  const address = useAddress();
  const { frozen } = surroundings;
  const timeZone = address.get("timezone") || (dashboard?.timezone ?? "browser");
  const refresh = address.get("refresh") ?? dashboard?.refresh ?? "";
  const query = address.toString();
  const view = useMemo((): View | undefined => {
    if (!dashboard) return undefined;
    const from = address.get("from") ?? (frozen ? `${frozen.from}` : dashboard.time.from);
    const to = address.get("to") ?? (frozen ? `${frozen.to}` : dashboard.time.to);
    return { from, to, timeZone, wanted: variablesIn(address) };
  }, [dashboard, query, timeZone]);
  const [tick, refreshNow] = useTicks(refresh, Boolean(frozen));
  const { shown, problem } = useShown(dashboard, view, tick, surroundings);
  const switchedOn = (dashboard?.annotations ?? []).filter(({ name, enable }) => {
    const wanted = address.get(`annotation-${name}`);
    return wanted ? wanted === "true" : enable;
  });
  const marks = useMarks(switchedOn, shown);
  const away = useAwaySince();
  useEffect(() => {
    if (dashboard && !frozen) document.title = `${dashboard.title} · ${say("title")}`;
  }, [dashboard, frozen]);

  if (missing) return <p role="alert">{missing}</p>;
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
      {!frozen
        && (<BoardLinks links={dashboard.links} boards={surroundings.boards} uid={uid} range={shown.range}
          choices={shown.choices} fill={fillAt(shown)} />)}
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
