import "./viewer.css";

import { createTheme, ThemeContext } from "@grafana/data";
import { PanelChrome } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { createRoot } from "react-dom/client";

console.log(TableNG);
const theme = createTheme({ colors: { mode: "dark" } });
createRoot(document.getElementById("viewer")!).render(
  <ThemeContext.Provider value={theme}>
    <PanelChrome title="Dashboard viewer" width={400} height={200}>
      {() => <p>Nothing to see yet.</p>}
    </PanelChrome>
  </ThemeContext.Provider>,
);
