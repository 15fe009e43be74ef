// What the tests in Node load; build.mjs --tests bundles it as the command lines are bundled.
export { createTheme, dateTime, formattedValueToString, getFieldDisplayName } from "@grafana/data";
export * from "../../src/check/answers.ts";
export * from "../../src/check/files.ts";
export * from "../../src/core/dashboard.ts";
export * from "../../src/core/fields.ts";
export * from "../../src/core/frames.ts";
export * from "../../src/core/interpolation.ts";
export * from "../../src/core/panels.ts";
export * from "../../src/core/prometheus.ts";
export * from "../../src/core/queries.ts";
export * from "../../src/core/variables.ts";
export * from "../../src/report/freeze.ts";
