import type { TimeRange } from "@grafana/data";
import { AutoSizeInput, Combobox, MultiCombobox, RefreshPicker, TimeRangePicker, useTheme2 } from "@grafana/ui";
import { memo } from "react";

import type { DashboardLink } from "@grafana/schema";
import type { Annotation, Dashboard } from "../core/dashboard.ts";
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

type ControlProps = { range: TimeRange; timeZone: string; refresh: string; onRefresh: () => void };

/** Time picker and refresh. The library looks some 50 texts up whenever it draws them. */
export const TimeControls = memo(function TimeControls({ range, timeZone, refresh, onRefresh }: ControlProps) {
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
});

/** One variable: a list to choose from, or a box to write in. */
const VariableControl = memo(function({ resolved: { variable, options, chosen } }: { resolved: Resolved }) {
  const id = `variable-${variable.name}`;
  const set = (value: string | string[]) => changeAddress({ [`var-${variable.name}`]: value });
  // "All" stands alone: it takes the place of what was chosen before, and whatever is chosen then takes its place.
  const setSeveral = (values: string[]) =>
    set(values.length && values.at(-1) !== ALL ? values.filter((value) => value !== ALL) : ALL);
  const list = options.map(({ text: label, value }) => ({ label, value }));
  if (variable.includeAll) list.unshift({ label: say("all"), value: ALL });
  const value = chosen.all ? [ALL] : chosen.value;
  const box = { options: list, width: "auto", minWidth: 12, maxWidth: 40, "aria-labelledby": id } as const;
  return (<div className="variable">
    <span id={id}>{variable.label || variable.name}</span>
    {variable.type === "textbox"
      ? <AutoSizeInput defaultValue={value[0]} onCommitChange={(event) => set(event.currentTarget.value)} />
      : variable.multi
      ? <MultiCombobox {...box} value={value} onChange={(picked) => setSeveral(picked.map((one) => one.value))} />
      : <Combobox {...box} value={value[0]} onChange={(picked) => set(picked.value)} />}
  </div>);
});

type SettingsProps = { dashboard: Dashboard; resolved: Resolved[]; switchedOn: Annotation[]; fixed: boolean;
  children?: React.ReactNode };

/** The variables and annotations of a dashboard. In a report they can only be read. */
export function Settings({ dashboard, resolved, switchedOn, fixed, children }: SettingsProps) {
  const switches = dashboard.annotations.filter(({ hide }) => !hide && !fixed);
  const shown = resolved.filter(({ variable }) => variable.hide !== 2);
  return (<div className="settings">
    {shown.map((one) =>
      fixed
        ? (<span key={one.variable.name} className="variable">
          {one.variable.label || one.variable.name}: {one.chosen.all ? say("all") : one.chosen.text.join(" + ")}
        </span>)
        : <VariableControl key={one.variable.name} resolved={one} />
    )}
    {switches.map((one) => (<label key={one.name} className="variable">
      <input type="checkbox" checked={switchedOn.includes(one)}
        onChange={(event) => changeAddress({ [`annotation-${one.name}`]: `${event.target.checked}` })} />
      {one.name}
    </label>))}
    {children}
  </div>);
}

type LinkProps = { links: DashboardLink[]; boards: BoardSummary[]; uid: string; fill: (text: string) => string };

/** The dashboard's links: to addresses, or to the other dashboards that have its tags. */
export function BoardLinks({ links, boards, uid, fill }: LinkProps) {
  const anchors = links.flatMap((link) => {
    const { keepTime, includeVars, tags: wanted = [] } = link;
    const scope = fill(
      [keepTime && "${__url_time_range}", includeVars && "${__all_variables}"].filter(Boolean).join("&")
    );
    const withScope = (address: string) => (scope ? `${address}${address.includes("?") ? "&" : "?"}${scope}` : address);
    if (link.type === "link") return [{ link, title: fill(link.title), href: withScope(fill(link.url ?? "")) }];
    const others = boards.filter((board) => board.uid !== uid && wanted.every((tag) => board.tags?.includes(tag)));
    return others.map((board) => ({ link, title: board.title, href: withScope(`/d/${board.uid}`) }));
  });
  return (<nav className="links">
    {anchors.map((
      { link, title, href }
    ) => (<a key={`${title} ${href}`} href={href} title={link.tooltip} rel="noreferrer"
      target={link.targetBlank ? "_blank" : undefined}>
      {title}
    </a>))}
  </nav>);
}
