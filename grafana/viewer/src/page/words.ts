import { initPluginTranslations } from "@grafana/i18n";

import { languageOf } from "../core/dashboard.ts";
import pickers from "./pickers.zh.json";
import texts from "./words.json";

export type Word = keyof typeof texts.en;

/** The uid of the dashboard in the page's address. */
export const uidInAddress = decodeURIComponent(location.pathname.match(/^\/d\/([^/]+)/)?.[1] ?? "");

/** The first of the reader's languages that there are words in; English when there is none. */
const ofReader = () => navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag))?.slice(0, 2).toLowerCase();

/** A report says its own; else the page speaks like the dashboard that it shows, or like its reader. */
const wanted = location.protocol === "file:"
  ? document.documentElement.lang
  : uidInAddress
  ? languageOf(uidInAddress)
  : ofReader();
export const language = wanted === "zh" ? "zh" : "en";

/** Gives the library's pickers the page's language: no package has their words in Chinese. */
export async function translatePickers(): Promise<void> {
  if (language === "zh") await initPluginTranslations("pickers", [async () => pickers]);
}

/** A text of the page in its language; `{name}` in it is filled in. */
export const say = (word: Word, filled: Record<string, string> = {}): string =>
  texts[language][word].replace(/\{(\w+)\}/g, (_, name: string) => filled[name]);
