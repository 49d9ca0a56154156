// What breaks programs that were written for a frozen surface: `Accepted: Property 'x' is missing ...`, a line each.
//
//     node compatible.mjs INDEX FROZEN

import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ts = createRequire(import.meta.url)("typescript");
const [index, frozen] = process.argv.slice(2).map((one) => resolve(one));

/** Types that programs read; all others they write. */
const READ = new Set([
  "Accepted", "Spooled", "Drained", "FieldError", "FieldWarning", "ErrorCode", "EventAccepted", "BatchAccepted", "DryRun",
  "ExpectedEvent", "Quota", "Status", "Happening", "Problem", "Publication",
]);

/** Lines that are well typed as long as what the frozen surface promised of *name* holds. */
function promises(kind, name, text) {
  const now = `Now.${name}`;
  const before = `Before.${name}`;
  if (["function", "const", "namespace"].includes(kind)) return [assigned(`typeof ${now}`, `typeof ${before}`)];
  if (kind === "class") {
    const built = text.includes("constructor(") ? [assigned(`typeof ${now}`, `new (...given: ConstructorParameters<typeof ${before}>) => ${before}`)] : [];
    return [assigned(now, before), ...built];
  }
  if (READ.has(name)) return [assigned(now, before)];
  return [assigned(before, now), assigned(`keyof ${before}`, `keyof ${now}`)];
}

const assigned = (from, to) => `{ const kept: ${to} = null! as ${from}; void kept; }`;

const DECLARATION = /^export (?:declare )?(interface|type|class|function|const|namespace) (\w+)[^]*?(?=\nexport |$(?![^]))/gm;
const lines = [];
const names = [];
for (const [text, kind, name] of readFileSync(frozen, "utf8").matchAll(DECLARATION)) {
  for (const line of promises(kind, name, text)) {
    lines.push(line);
    names.push(name);
  }
}

const folder = mkdtempSync(join(dirname(index), "compatible-"));
const file = join(folder, "promises.mts");
const imports = [["Before", frozen.replace(/\.d\.ts$/, ".js")], ["Now", index.replace(/\.d\.ts$/, ".js")]];
const head = imports.map(([name, path]) => `import type * as ${name} from ${JSON.stringify(path)};`);
writeFileSync(file, [...head, ...lines, ""].join("\n"));
const program = ts.createProgram([file], { module: ts.ModuleKind.NodeNext, strict: true, noEmit: true, types: ["node"], skipLibCheck: false });
const broken = ts.getPreEmitDiagnostics(program).map((one) => {
  const said = ts.flattenDiagnosticMessageText(one.messageText, " ").replace(/\s+/g, " ");
  if (one.file?.fileName !== file) return `${one.file?.fileName ?? "compiler"}: ${said}`;
  return `${names[one.file.getLineAndCharacterOfPosition(one.start).line - imports.length]}: ${said}`;
});
rmSync(folder, { recursive: true });
console.log([...new Set(broken)].join("\n"));
process.exit(broken.length ? 1 : 0);
