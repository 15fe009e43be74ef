/**
 * Keys that may stand in a dashboard file though the viewer does nothing with them, each with its reason. A path is
 * written without places in lists: `panels[].pluginVersion`.
 */
export const exceptions: Record<string, string> = {
  "annotations.list[].builtIn": "marks Grafana's own annotations, which people write there by hand",
  "annotations.list[].type": "says which list of Grafana's editor the annotation stands in",
  editable: "the viewer edits nothing",
  fiscalYearStartMonth: "no dashboard shows fiscal years",
  "panels[].pluginVersion": "tells Grafana not to migrate the options; the viewer reads only the newest form",
  "panels[].targets[].editorMode": "which editor Grafana opens",
  "panels[].targets[].exemplar": "several processes can't share exemplars, so there are none",
  schemaVersion: "tells Grafana not to migrate the file; the viewer reads only the newest form",
  "templating.list[].definition": "what Grafana's list of variables shows; equal to query",
  version: "counts what Grafana's editor saves",
};
