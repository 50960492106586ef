/**
 * @module
 * Facts of one source file, read with vitest's parser.
 */
import { posix } from "node:path";
import { type ESTree, parseSync, Visitor } from "rolldown/utils";

export interface SourceFunction {
  /** Its first line, from 1. */
  readonly line: number;
  /** From its first line to its last. */
  readonly lines: number;
  /** A destructured parameter (`{ a, b }`) counts as one. */
  readonly parameters: number;
}

/** A line that is not empty, without comments, imports and re-exports. */
export interface CodeLine {
  /** From 1. */
  readonly line: number;
  /** One space between words, none around. */
  readonly text: string;
}

export interface Source {
  /** Path below the project's folder, with slashes. */
  readonly path: string;
  readonly lines: number;
  readonly functions: readonly SourceFunction[];
  /** Paths of the project's files that it imports or re-exports, types among them. */
  readonly imports: readonly string[];
  /** It has exports, and all are of other files. */
  readonly onlyReexports: boolean;
  readonly code: readonly CodeLine[];
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the text of a source file.
 *
 * @throws Error when the text is not TypeScript
 */
export function readSource(path: string, text: string): Source {
  const { program, module, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors.map(({ message }) => message).join("; ")}`);
  const reexports = module.staticExports.filter(({ entries }) => entries.some((entry) => entry.moduleRequest !== null));
  const requests = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
  ];
  return {
    path,
    lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    functions: functionsOf(program, text),
    imports: [...new Set(requests.filter((request) => request.startsWith(".")))].map((request) =>
      posix.join(posix.dirname(path), request),
    ),
    onlyReexports: module.staticExports.length > 0 && program.body.every(isImportOrReexport),
    code: codeLines(text, [...comments, ...module.staticImports, ...reexports]),
  };
}

function isImportOrReexport(statement: ESTree.Program["body"][number]): boolean {
  switch (statement.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
      return true;
    case "ExportNamedDeclaration":
      return statement.declaration === null;
    default:
      return false;
  }
}

/** Functions with a name or statements. An inline arrow function of one expression is part of its caller. */
function functionsOf(program: ESTree.Program, text: string): SourceFunction[] {
  const functions: SourceFunction[] = [];
  const named = new Set<unknown>();
  const add = ({ start, end, params }: Span & { readonly params: readonly unknown[] }): void => {
    const line = lineAt(text, start);
    functions.push({ line, lines: lineAt(text, end) - line + 1, parameters: params.length });
  };
  new Visitor({
    VariableDeclarator: ({ init }) => named.add(init),
    Property: ({ value }) => named.add(value),
    PropertyDefinition: ({ value }) => named.add(value),
    FunctionDeclaration: add,
    FunctionExpression: add,
    ArrowFunctionExpression: (arrow) => {
      if (!arrow.expression || named.has(arrow)) add(arrow);
    },
  }).visit(program);
  return functions;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function codeLines(text: string, without: readonly Span[]): CodeLine[] {
  let code = text;
  for (const { start, end } of without)
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, " ") + code.slice(end);
  return code
    .split("\n")
    .map((line, at) => ({ line: at + 1, text: line.trim().replace(/\s+/g, " ") }))
    .filter((line) => line.text !== "");
}
