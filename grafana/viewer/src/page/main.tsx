import "./viewer.css";

import { createTheme, ThemeContext } from "@grafana/data";
import { GlobalStyles, PortalContainer } from "@grafana/ui";
import { useEffect, useMemo } from "react";
import { createRoot } from "react-dom/client";
import { useAsync } from "react-use";

import { useAddress } from "./address.ts";
import { BoardList } from "./BoardList.tsx";
import { BoardPage } from "./BoardPage.tsx";
import { RunTable } from "./RunTable.tsx";
import { lookAround, type Surroundings } from "./surroundings.ts";
import { language, say, translatePickers, uidInAddress } from "./words.ts";

const darkWanted = matchMedia("(prefers-color-scheme: dark)");

function Viewer({ surroundings }: { surroundings: Surroundings }) {
  const wanted = useAddress().get("theme");
  const mode = wanted === "light" || wanted === "dark" ? wanted : darkWanted.matches ? "dark" : "light";
  const theme = useMemo(() => createTheme({ colors: { mode } }), [mode]);
  useEffect(() => {
    const { colors } = theme;
    const root = document.documentElement;
    root.lang = language;
    root.style.colorScheme = mode;
    const values = { text: colors.text.primary, faint: colors.text.secondary, link: colors.text.link,
      ground: colors.background.canvas, raised: colors.background.primary, field: colors.background.secondary,
      line: colors.border.medium, warning: colors.warning.transparent, strong: colors.warning.border };
    for (const [name, value] of Object.entries(values)) root.style.setProperty(`--${name}`, value);
  }, [theme, mode]);
  const uids = surroundings.frozen ? surroundings.boards.map(({ uid }) => uid) : uidInAddress ? [uidInAddress] : [];
  return (<ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {surroundings.frozen?.run && <RunTable run={surroundings.frozen.run} />}
    {uids.length
      ? (uids.map((uid) => <BoardPage key={uid} uid={uid} surroundings={surroundings} />))
      : <BoardList surroundings={surroundings} />}
    <footer>
      {surroundings.frozen && <p>{say("holds", { labels: surroundings.frozen.labels.join(", ") })}</p>}
      {say("about")} {!surroundings.frozen && <a href="/public/licences.html">{say("licences")}</a>}
    </footer>
    <PortalContainer />
  </ThemeContext.Provider>);
}

function Start() {
  const { value: [surroundings] = [], error } = useAsync(() => Promise.all([lookAround(), translatePickers()]));
  if (error) return <p role="alert">{say("failed", { what: error.message })}</p>;
  return surroundings ? <Viewer surroundings={surroundings} /> : null;
}

document.title = say("title");
createRoot(document.getElementById("viewer")!).render(<Start />);
