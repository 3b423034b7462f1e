/**
 * Proves the generated guards: `node guards.mjs <folder of the compiled notifications.js>`.
 *
 * Every fixture has to be accepted. Every copy of it with one change has to be refused or accepted as its JSON Schema
 * says; the changes are made from the schemas, which the guards' generator has no part in here.
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const CONTRACTS = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const compiled = resolve(process.argv[2], "notifications.js");
const { CLOSES, NOTIFICATION_EVENTS, isCloseCode, isNotification, parseCloseReason, parseNotification } = await import(
  pathToFileURL(compiled).href
);

let checks = 0;
const wrong = [];
function expect(expected, actual, what) {
  checks += 1;
  if (actual !== expected) wrong.push(`${what}: expected ${expected}, got ${actual}`);
}

/** Values of every JSON type, none of them in the contract's lists of values. */
const VALUES = [null, true, false, 7, 0.5, "in no list", [], {}, [null], { "in no map": null }];

function read(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The schema that `schema`, which stands in `file`, refers to, and its file. */
function resolved(schema, file) {
  if (schema.$ref === undefined) return { schema, file };
  const [path, pointer] = schema.$ref.split("#");
  const target = path === "" ? file : join(dirname(file), path);
  let found = read(target);
  for (const part of (pointer ?? "").split("/").slice(1)) found = found[part];
  return resolved(found, target);
}

/** The JSON types that `schema` allows, the values where it lists them, and those of the list that it narrows. */
function allowed(schema, file) {
  const base = schema.allOf?.length === 1 ? resolved(schema.allOf[0], file).schema : {};
  const { type, const: only, enum: values } = { ...base, ...schema };
  return { types: [type].flat(), values: only === undefined ? values : [only], words: base.enum ?? [] };
}

function typesOf(value) {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  if (typeof value === "number") return Number.isInteger(value) ? ["integer", "number"] : ["number"];
  return [typeof value];
}

/** Copies of `value` with one change each, with what was changed and whether `schema` still allows it. */
function* changes(value, unresolved, from, at = "") {
  const { schema, file } = resolved(unresolved, from);
  const { types, values, words } = allowed(schema, file);
  for (const other of [...VALUES, ...words]) {
    // What is inside an array or an object is changed below, where its schema is known.
    const inside = typeof other === "object" && other !== null && Object.keys(other).length > 0;
    const fits = values ? values.includes(other) : typesOf(other).some((type) => types.includes(type));
    const required = schema.required?.length > 0 && typesOf(other)[0] === "object";
    if (!inside || !fits) yield { what: `${at} = ${JSON.stringify(other)}`, copy: other, fits: fits && !required };
  }
  for (const other of values ?? []) yield { what: `${at} = ${JSON.stringify(other)}`, copy: other, fits: true };
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      for (const change of changes(element, schema.items, file, `${at}[${index}]`)) {
        yield { ...change, copy: value.map((kept, place) => (place === index ? change.copy : kept)) };
      }
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      const { [name]: _, ...rest } = value;
      yield { what: `without ${at}.${name}`, copy: rest, fits: !schema.required?.includes(name) };
      const described = schema.properties?.[name] ?? schema.additionalProperties;
      for (const change of changes(member, described, file, `${at}.${name}`)) {
        yield { ...change, copy: { ...value, [name]: change.copy } };
      }
    }
    if (schema.properties) {
      // The schemas are closed for publishers; a client ignores what it does not know.
      yield { what: `${at} with a new field`, copy: { ...value, "a new field": 1 }, fits: true };
    }
  }
}

function json(folder) {
  return readdirSync(join(CONTRACTS, folder))
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(CONTRACTS, folder, name));
}

// Notifications.
const unseen = new Set(NOTIFICATION_EVENTS);
for (const path of json("fixtures/notifications")) {
  const { message } = read(path);
  const name = basename(path);
  unseen.delete(message.event);
  expect(true, isNotification(message), name);
  expect(message.event, parseNotification(JSON.stringify(message))?.event, `${name} as text`);
  const schema = join(CONTRACTS, "schemas/notifications", `${message.event}.json`);
  for (const { what, copy, fits } of changes(message, read(schema), schema)) {
    expect(fits, isNotification(copy), `${name}: ${what}`);
  }
  for (const event of ["batch_deleted", "constructor", "__proto__"]) {
    expect(undefined, parseNotification(JSON.stringify({ ...message, event })), `${name} as ${event}`);
  }
}
expect("", [...unseen].join(", "), "events without a fixture");
for (const text of ["", "{", "null", "[]", "7", '"batch_files_uploaded"']) {
  expect(undefined, parseNotification(text), `the text ${JSON.stringify(text)}`);
}

// Closes.
const closes = Object.entries(CLOSES);
const codes = new Set(closes.map(([, close]) => close.code));
for (const path of json("schemas/close")) {
  const schema = read(path);
  for (const error_code of allowed(schema.properties.error_code, path).values) {
    const with_it = closes.filter(([, close]) => close.errorCodes.includes(error_code));
    expect(true, with_it.length > 0, `${error_code} is of a close`);
    const reason = { error_code, message: "for people", correlation_id: "0d6b6c62" };
    for (const code of codes) {
      const parsed = parseCloseReason({ code, reason: JSON.stringify(reason) });
      const belongs = with_it.some(([, close]) => close.code === code);
      expect(belongs ? error_code : undefined, parsed?.error_code, `${error_code} with ${code}`);
    }
    const [, { code }] = with_it[0];
    for (const { what, copy, fits } of changes(reason, schema, path)) {
      const parsed = parseCloseReason({ code, reason: JSON.stringify(copy) });
      expect(fits, parsed !== undefined, `${error_code}: ${what}`);
    }
    expect(undefined, parseCloseReason({ code: 1006, reason: JSON.stringify(reason) }), `${error_code} with 1006`);
  }
}
for (const code of codes) {
  expect(true, isCloseCode(code), `${code}`);
  for (const reason of ["", "{", "null", "service restart"]) {
    expect(undefined, parseCloseReason({ code, reason }), `${code} with ${JSON.stringify(reason)}`);
  }
}
for (const code of [1000, 1005, 1006, 4001]) expect(false, isCloseCode(code), `${code}`);

if (wrong.length > 0) {
  console.error(wrong.slice(0, 20).join("\n"));
  console.error(`${wrong.length} of ${checks} checks of the guards failed`);
  process.exit(1);
}
console.log(`${checks} checks of the guards passed`);
