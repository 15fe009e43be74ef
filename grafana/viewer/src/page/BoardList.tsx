import { languageOf } from "../core/dashboard.ts";
import type { Surroundings } from "./surroundings.ts";
import { TopLinks } from "./Toolbar.tsx";
import { language, say } from "./words.ts";

const strange = (uid: string) => Number(languageOf(uid) !== language);

/** The list of dashboards; those in the reader's language come first. */
export function BoardList({ surroundings }: { surroundings: Surroundings }) {
  const boards = surroundings.boards.toSorted((a, b) => strange(a.uid) - strange(b.uid));
  return (<main className="list">
    <header className="top">
      <h1>{say("dashboards")}</h1>
      <TopLinks surroundings={surroundings} />
    </header>
    {!boards.length && <p>{say("none")}</p>}
    <ul>
      {boards.map(({ uid, title, tags = [], folder, file, error }) => (<li key={file}>
        {error
          ? <span role="alert">{file}: {error}</span>
          : <a href={`/d/${encodeURIComponent(uid)}${location.search}`}>{title}</a>}
        <span className="faint">{[folder, ...tags].filter(Boolean).join(" · ")}</span>
      </li>))}
    </ul>
  </main>);
}
