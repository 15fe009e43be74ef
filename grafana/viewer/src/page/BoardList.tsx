import type { Surroundings } from "./surroundings.ts";
import { TopLinks } from "./Toolbar.tsx";
import { say } from "./words.ts";

/** The list of dashboards. */
export function BoardList({ surroundings }: { surroundings: Surroundings }) {
  return (<main className="list">
    <header className="top">
      <h1>{say("dashboards")}</h1>
      <TopLinks surroundings={surroundings} />
    </header>
    {!surroundings.boards.length && <p>{say("none")}</p>}
    <ul>
      {surroundings.boards.map(({ uid, title, tags = [], folder, file, error }) => (<li key={file}>
        {error
          ? <span role="alert">{file}: {error}</span>
          : <a href={`/d/${encodeURIComponent(uid)}${location.search}`}>{title}</a>}
        <span className="faint">{[folder, ...tags].filter(Boolean).join(" · ")}</span>
      </li>))}
    </ul>
  </main>);
}
