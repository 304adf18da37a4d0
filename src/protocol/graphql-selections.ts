import {
  Kind,
  type FieldNode,
  type FragmentDefinitionNode,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql/language";

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** Fields within each other, fragments written out. */
const MAX_DEPTH = 32;
/** Fields in all, fragments written out: a fragment in a fragment in a fragment doubles each time. */
const MAX_FIELDS = 2000;
/** Aliases in all, fragments written out: under other names a field is carried out again and again. */
const MAX_ALIASES = 100;
/** Fragments within each other. */
const MAX_FRAGMENT_CHAIN = 32;

/** What a selection would be with every fragment written out. */
interface Size {
  readonly fields: number;
  readonly aliases: number;
  readonly depth: number;
}

/** Why a document would ask for more than its length shows, if it would. */
export function isTooLarge(operations: readonly OperationDefinitionNode[], fragments: Fragments): string | undefined {
  const known = new Map<string, Size>();
  try {
    for (const { selectionSet } of [...operations, ...fragments.values()]) {
      const { fields, aliases, depth } = sizeOf(selectionSet, { fragments, known, open: [] });
      if (depth > MAX_DEPTH) return `fields may be nested at most ${MAX_DEPTH} deep`;
      if (fields > MAX_FIELDS) return `a document may ask for at most ${MAX_FIELDS} fields`;
      if (aliases > MAX_ALIASES) return `a document may have at most ${MAX_ALIASES} aliases`;
    }
  } catch (fault) {
    if (fault instanceof Unsizable) return fault.message;
    throw fault;
  }
  return undefined;
}

/** Not to be counted: what is spread is not there, or is itself part of what it spreads. */
class Unsizable extends Error {}

interface Sizing {
  readonly fragments: Fragments;
  /** Fragments that were sized already: each once, however often it is spread. */
  readonly known: Map<string, Size>;
  /** Fragments that are being sized. */
  readonly open: readonly string[];
}

function sizeOf(set: SelectionSetNode, sizing: Sizing): Size {
  let [fields, aliases, depth] = [0, 0, 0];
  for (const selection of set.selections) {
    const isField = selection.kind === Kind.FIELD;
    const inner =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? sizeOfFragment(selection.name.value, sizing)
        : selection.selectionSet === undefined
          ? { fields: 0, aliases: 0, depth: 0 }
          : sizeOf(selection.selectionSet, sizing);
    fields += inner.fields + (isField ? 1 : 0);
    aliases += inner.aliases + (isField && selection.alias !== undefined ? 1 : 0);
    depth = Math.max(depth, inner.depth + (isField ? 1 : 0));
  }
  return { fields, aliases, depth };
}

function sizeOfFragment(name: string, { fragments, known, open }: Sizing): Size {
  const sized = known.get(name);
  if (sized !== undefined) return sized;
  const fragment = fragments.get(name);
  if (fragment === undefined) throw new Unsizable("a fragment is not in the document");
  if (open.includes(name)) throw new Unsizable("a fragment spreads itself");
  if (open.length >= MAX_FRAGMENT_CHAIN) throw new Unsizable("fragments are nested too deep");
  const size = sizeOf(fragment.selectionSet, { fragments, known, open: [...open, name] });
  known.set(name, size);
  return size;
}

/** A field at the root of an operation, and the names of all fields below it. */
export interface RootField {
  readonly field: string;
  readonly below: readonly string[];
}

/** Every type has this one, which names the type: clients ask for it out of habit, and it is no secret. */
const TYPENAME = "__typename";

/**
 * The root fields as CollectFields (GraphQL §6.3.2) gathers them, less its conditions: each name in the
 * answer once. Aliases hide nothing: a field is named by its own name.
 */
export function rootFields(root: SelectionSetNode, fragments: Fragments): RootField[] {
  const roots = new Map<string, { field: string; below: Set<string> }>();
  for (const { alias, name, selectionSet } of fieldsIn(root, fragments)) {
    if (name.value === TYPENAME) continue;
    const key = `${alias?.value ?? name.value} ${name.value}`;
    const { below } = roots.get(key) ?? { below: new Set() };
    const waiting = [selectionSet];
    for (let set = waiting.pop(); set !== undefined; set = waiting.pop()) {
      for (const field of fieldsIn(set, fragments)) {
        if (field.name.value !== TYPENAME) below.add(field.name.value);
        if (field.selectionSet !== undefined) waiting.push(field.selectionSet);
      }
    }
    roots.set(key, { field: name.value, below });
  }
  return [...roots.values()].map(({ field, below }) => ({ field, below: [...below] }));
}

/** The fields of a selection, its fragments taken apart, each of them once. */
function fieldsIn(root: SelectionSetNode, fragments: Fragments): FieldNode[] {
  const fields: FieldNode[] = [];
  const visited = new Set<string>();
  const waiting = [root];
  for (let set = waiting.pop(); set !== undefined; set = waiting.pop()) {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) fields.push(selection);
      else if (selection.kind === Kind.INLINE_FRAGMENT) waiting.push(selection.selectionSet);
      else if (!visited.has(selection.name.value)) {
        visited.add(selection.name.value);
        // A document that spreads what it does not hold was refused for its size, which nobody knows.
        waiting.push(fragments.get(selection.name.value)!.selectionSet);
      }
    }
  }
  return fields;
}
