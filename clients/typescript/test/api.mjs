// The exported surface of the client as one declaration file, without comments and private members.
//
//     node api.mjs INDEX            prints it
//     node api.mjs INDEX FOLDER     freezes it there as the next number, if it is another than the last

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const ts = createRequire(import.meta.url)("typescript");
const [index, folder] = process.argv.slice(2).map((one) => resolve(one));
const program = ts.createProgram([index], { module: ts.ModuleKind.NodeNext, types: ["node"], skipLibCheck: true });
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true });

function exportsOf(symbol) {
  return checker.getExportsOfModule(symbol).map((one) => [one.name, resolved(one)]);
}

function resolved(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function isHidden(member) {
  return (ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
}

function withoutHidden(node) {
  if (!ts.isClassDeclaration(node)) return node;
  const members = node.members.filter((member) => !isHidden(member));
  const { modifiers, name, typeParameters, heritageClauses } = node;
  return ts.factory.updateClassDeclaration(node, modifiers, name, typeParameters, heritageClauses, members);
}

function declared(name, symbol) {
  if (symbol.flags & ts.SymbolFlags.ValueModule) {
    const inner = exportsOf(symbol).map(([inside, one]) => declared(inside, one).replace("export declare ", "export "));
    return `export declare namespace ${name} {\n${inner.join("\n").replace(/^/gm, "  ")}\n}`;
  }
  const [found] = symbol.declarations;
  const node = ts.isVariableDeclaration(found) ? found.parent.parent : found;
  return printer.printNode(ts.EmitHint.Unspecified, withoutHidden(node), node.getSourceFile());
}

const exported = exportsOf(checker.getSymbolAtLocation(program.getSourceFile(index)));
const surface = `${exported.map(([name, symbol]) => declared(name, symbol)).join("\n\n")}\n`;

/** Frozen surfaces only grow in number: what one promised holds in all later ones. */
function freeze() {
  const frozen = readdirSync(folder).sort((one, other) => parseInt(one) - parseInt(other));
  if (frozen.length && readFileSync(join(folder, frozen.at(-1)), "utf8") === surface) return;
  const digest = createHash("sha256").update(surface).digest("hex").slice(0, 8);
  writeFileSync(join(folder, `${frozen.length + 1}-${digest}.d.ts`), surface);
}

if (folder) freeze();
else process.stdout.write(surface);
