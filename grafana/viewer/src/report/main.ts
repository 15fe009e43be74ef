import { createTheme } from "@grafana/data";
console.log(createTheme().name);
export {};
