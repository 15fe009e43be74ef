import texts from "./words.json";

export type Word = keyof typeof texts.en;

/** The first of the reader's languages that there are words in; English when there is none. */
export function chooseLanguage(languages: readonly string[]): "en" | "zh" {
  const known = languages.map((tag) => tag.split("-")[0].toLowerCase()).find((tag) => tag === "zh" || tag === "en");
  return known === "zh" ? "zh" : "en";
}

export const language = chooseLanguage(typeof navigator === "undefined" ? [] : navigator.languages);

/** A text of the page in the reader's language; `{name}` in it is filled in. */
export const say = (word: Word, filled: Record<string, string> = {}): string =>
  texts[language][word].replace(/\{(\w+)\}/g, (_, name: string) => filled[name]);
