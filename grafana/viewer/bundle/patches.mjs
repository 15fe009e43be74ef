// Changes to Grafana's packages at build time. Each must fit exactly once, or the build fails: after an upgrade somebody
// has to look at it again. The first two replace `new Function`, which the page's content security policy forbids.

const frameToRecords = `const frameToRecords = (frame, nestedFramesFieldName) => {
  const rows = [];
  const names = frame.fields.map(getDisplayName);
  for (let index = 0; index < frame.length; index++) {
    const row = { __depth: 0, __index: index };
    names.forEach((name, position) => (row[name] = frame.fields[position].values[index]));
    rows.push(row);
    const nested = nestedFramesFieldName ? row[nestedFramesFieldName] : undefined;
    if (nested) rows.push({ __depth: 1, __index: index, data: nested[0] });
  }
  return rows;
};
`;

const joinTables = `let joined = [...ltable, ...rtable.slice(1)].map(() => []);
    const addRow = (left, right) => {
      ltable.forEach((column, i) =>
        joined[i].push(left != null ? column[left] : i === 0 ? rtable[0][right] : null));
      rtable.slice(1).forEach((column, i) => joined[ltable.length + i].push(right != null ? column[right] : null));
    };
    for (const [left, rights] of matched) for (const right of rights) addRow(left, right);
    for (const left of unmatchedLeft) addRow(left, null);
    for (const right of unmatchedRight) addRow(null, right);
    `;

/** @type {{ file: string, from: string, to: string, code: string }[]} */
export const patches = [
  { file: "@grafana/ui/dist/esm/components/Table/TableNG/utils.mjs", from: "const frameToRecords = ",
    to: "const compare = new Intl.Collator", code: frameToRecords },
  { file: "@grafana/data/dist/esm/transformations/transformers/joinDataFrames.mjs", from: "let outFieldsTpl = ",
    to: "ltable = joined;", code: joinTables },
  // Names font files that only Grafana's server has; viewer.css names ours.
  { file: "@grafana/ui/dist/esm/themes/GlobalStyles/fonts.mjs", from: "return css([", to: "\nexport { getFontStyles };",
    code: "return {};\n}\n" }
];

/**
 * Applies one patch.
 *
 * @param {string} source the file's text
 * @param {(typeof patches)[number]} patch replaces the text from `from` up to but without `to`
 * @returns {string} the changed text
 * @throws {Error} when `from` or the `to` after it is missing, or `from` stands there more than once
 */
export function applyPatch(source, patch) {
  const start = source.indexOf(patch.from);
  const end = source.indexOf(patch.to, start);
  if (start < 0 || end < 0 || source.indexOf(patch.from, start + 1) >= 0) {
    throw new Error(`${patch.file} has changed: the patch in bundle/patches.mjs no longer fits; look at it again`);
  }
  return source.slice(0, start) + patch.code + source.slice(end);
}
