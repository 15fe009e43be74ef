import { rangeUtil, type TimeRange } from "@grafana/data";
import { RefreshPicker, TimeRangePicker, useTheme2 } from "@grafana/ui";
import { useEffect, useRef } from "react";

import type { DashboardLink } from "@grafana/schema";
import type { Annotation, Dashboard } from "../core/dashboard.ts";
import { addressOf, type Choices } from "../core/interpolation.ts";
import { ALL, type Resolved } from "../core/variables.ts";
import { changeAddress } from "./address.ts";
import type { BoardSummary, Surroundings } from "./surroundings.ts";
import { say } from "./words.ts";

/** Links to the other pages of the stack, and the switch between light and dark. */
export function TopLinks({ surroundings }: { surroundings: Surroundings }) {
  const theme = useTheme2();
  return (<nav className="links">
    {(["inbox", "prometheus", "alertmanager"] as const).map((page) => {
      const address = surroundings.links[page];
      return address && <a key={page} href={address}>{say(page)}</a>;
    })}
    <button type="button" onClick={() => changeAddress({ theme: theme.isDark ? "light" : "dark" })}>
      {theme.isDark ? say("light") : say("dark")}
    </button>
  </nav>);
}

const text = (time: TimeRange["raw"]["from"]) => (typeof time === "string" ? time : `${time.valueOf()}`);

/** Writes a range into the address. */
export const setRange = (range: TimeRange) => changeAddress({ from: text(range.raw.from), to: text(range.raw.to) });

/** Writes a range of milliseconds since 1970 into the address. */
export const setTimes = (from: number, to: number) =>
  changeAddress({ from: `${Math.floor(from)}`, to: `${Math.ceil(to)}` });

interface ControlProps {
  range: TimeRange;
  timeZone: string;
  refresh: string;
  onRefresh: () => void;
}

/** Time picker and refresh. */
export function TimeControls({ range, timeZone, refresh, onRefresh }: ControlProps) {
  const length = range.to.valueOf() - range.from.valueOf();
  const move = (by: number) => setTimes(range.from.valueOf() + by, range.to.valueOf() + by);
  return (<div className="times">
    <TimeRangePicker value={range} timeZone={timeZone} onChange={setRange}
      onChangeTimeZone={(timezone) => changeAddress({ timezone })} onMoveBackward={() => move(-length / 2)}
      onMoveForward={() => move(length / 2)}
      onZoom={() => setTimes(range.from.valueOf() - length / 2, range.to.valueOf() + length / 2)} />
    <RefreshPicker value={refresh} intervals={["5s", "10s", "30s", "1m", "5m", "15m"]} onRefresh={onRefresh}
      onIntervalChanged={(interval) => changeAddress({ refresh: interval })} />
  </div>);
}

/** One variable: a list of boxes, of which one or several can be chosen. */
function VariableControl({ resolved }: { resolved: Resolved }) {
  const { variable, options, chosen } = resolved;
  const label = variable.label || variable.name;
  const set = (value: string | string[]) => changeAddress({ [`var-${variable.name}`]: value });
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const outside = event instanceof KeyboardEvent
        ? event.key === "Escape"
        : !menu.current?.contains(event.target as Node);
      if (outside && menu.current) menu.current.open = false;
    };
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, close);
    return () => {
      for (const kind of ["pointerdown", "keydown"]) document.removeEventListener(kind, close);
    };
  }, []);
  const kind = variable.multi ? "checkbox" : "radio";
  const toggle = (value: string) => {
    const before = chosen.all || !variable.multi ? [] : chosen.value;
    const after = before.includes(value) ? before.filter((one) => one !== value) : [...before, value];
    set(after.length ? after : ALL);
  };
  return (<div className="variable">
    <span>{label}</span>
    <details ref={menu}>
      <summary aria-label={label}>{chosen.all ? say("all") : chosen.text.join(" + ")}</summary>
      <div className="choices">
        {variable.includeAll && (<label>
          <input type={kind} checked={Boolean(chosen.all)} onChange={() => set(ALL)} />
          {say("all")}
        </label>)}
        {options.map(({ value, text: shown }) => (<label key={value}>
          <input type={kind} checked={!chosen.all && chosen.value.includes(value)} onChange={() => toggle(value)} />
          {shown}
        </label>))}
      </div>
    </details>
  </div>);
}

interface SettingsProps {
  dashboard: Dashboard;
  resolved: Resolved[];
  switchedOn: Annotation[];
  fixed: boolean;
  children?: React.ReactNode;
}

/** The variables and annotations of a dashboard. In a report they can only be read. */
export function Settings({ dashboard, resolved, switchedOn, fixed, children }: SettingsProps) {
  const shown = resolved.filter(({ variable }) => variable.hide !== 2 && variable.type !== "constant");
  return (<div className="settings">
    {shown.map((one) =>
      fixed
        ? (<span key={one.variable.name} className="variable">
          {one.variable.label || one.variable.name}: {one.chosen.all ? say("all") : one.chosen.text.join(" + ")}
        </span>)
        : <VariableControl key={one.variable.name} resolved={one} />
    )}
    {dashboard.annotations.filter(({ hide }) => !hide && !fixed).map((
      annotation
    ) => (<label key={annotation.name} className="variable">
      <input type="checkbox" checked={switchedOn.includes(annotation)} onChange={(event) =>
        changeAddress({ [`annotation-${annotation.name}`]: `${event.target.checked}` })} />
      {annotation.name}
    </label>))}
    {children}
  </div>);
}

interface LinkProps {
  links: DashboardLink[];
  boards: BoardSummary[];
  uid: string;
  range: TimeRange;
  choices: Choices;
  fill: (text: string) => string;
}

/** The dashboard's links: to addresses, or to the other dashboards that have its tags. */
export function BoardLinks({ links, boards, uid, range, choices, fill }: LinkProps) {
  const { time, variables } = addressOf(choices, text(range.raw.from), text(range.raw.to));
  const withScope = (link: DashboardLink, address: string) => {
    const scope = [link.keepTime && time, link.includeVars && variables].filter(Boolean).join("&");
    return scope ? `${address}${address.includes("?") ? "&" : "?"}${scope}` : address;
  };
  const anchor = (link: DashboardLink, address: string,
    title:
      string) => (<a key={`${link.title} ${address}`} href={withScope(link, address)} title={link.tooltip}
      target={link.targetBlank ? "_blank" : undefined} rel="noreferrer">
      {title}
    </a>);
  return (<nav className="links">
    {links.flatMap((link) => {
      if (link.type === "link") return [anchor(link, fill(link.url ?? ""), fill(link.title))];
      const tagged = boards.filter(({ tags = [] }) => (link.tags ?? []).every((tag) => tags.includes(tag)));
      return tagged.filter((board) => board.uid !== uid).map((board) => anchor(link, `/d/${board.uid}`, board.title));
    })}
  </nav>);
}

/** The time between two refreshes in milliseconds; undefined when there are none. */
export function refreshMs(refresh: string): number | undefined {
  if (!refresh) return undefined;
  return Math.max(1000, rangeUtil.intervalToMs(refresh));
}
