/** Effect schemas in the API's description. */
import { JsonSchema, Schema } from "effect"
import { loadVendor, resolver } from "hono-openapi"

/**
 * Registers Effect 4's schemas with hono-openapi, whose own converter supports only those of Effect 3. A named schema
 * (`identifier`) becomes a component.
 *
 * With the option `side: "type"` the decoded side is documented: a query parameter as the integer that it represents,
 * not as the text that is sent.
 */
export const teachEffectSchemas = (): void =>
  loadVendor("effect", {
    toOpenAPISchema: (schema, context) => {
      const given = schema as unknown as Schema.Top
      const side = context.options?.side === "type" ? Schema.toType(given) : given
      const { dialect, schema: root, definitions } = Schema.toJsonSchemaDocument(side)
      const document = JsonSchema.toMultiDocumentOpenApi3_1({ dialect, schemas: [root], definitions })
      const tidy = <A>(node: A) => forGenerators(node, document.definitions)
      context.components.schemas = { ...context.components.schemas, ...tidy(document.definitions) }
      return tidy(document.schemas[0])
    },
  })

type Node = Readonly<Record<string, unknown>>

/** The same schema in the form that generators of clients, and Swagger UI, read best. */
const forGenerators = <A>(node: A, definitions: Node): A => {
  if (Array.isArray(node)) return node.map((inner) => forGenerators(inner, definitions)) as A
  if (typeof node !== "object" || node === null) return node
  const kept = Object.entries(merged(node as Node)).filter(([key, value]) => !isMeaningless(key, value))
  const tidy = Object.fromEntries(kept.map(([key, value]) => [key, forGenerators(value, definitions)]))
  return { ...tidy, ...itemsOf(tidy), ...constantOf(tidy), ...discriminatorOf(tidy, definitions) } as A
}

/** The parts of `allOf`, which Effect writes for annotations, in the node itself if none contradicts another. */
const merged = ({ allOf, ...node }: Node): Node => {
  const whole: Record<string, unknown> = { ...node }
  for (const [key, value] of ((allOf ?? []) as ReadonlyArray<Node>).flatMap(Object.entries)) {
    if (key in whole && whole[key] !== value) return { ...node, allOf }
    whole[key] = value
  }
  return whole
}

/**
 * The safe-integer bounds that Effect adds to every integer would be false as limits: a page beyond them is accepted and
 * empty. Further properties are allowed by default; stated, they show in Swagger UI as `additionalProp1`.
 */
const isMeaningless = (key: string, value: unknown): boolean =>
  (key === "minimum" && value === Number.MIN_SAFE_INTEGER) ||
  (key === "maximum" && value === Number.MAX_SAFE_INTEGER) ||
  (key === "additionalProperties" && value === true)

/** Generators reject a list without a statement about its items. */
const itemsOf = ({ type, items, prefixItems }: Node): Node =>
  type === "array" && items === undefined && prefixItems === undefined ? { items: {} } : {}

/** One allowed value is a constant: an enumeration of one would get a type of its own. */
const constantOf = ({ enum: values }: Node): Node =>
  Array.isArray(values) && values.length === 1 ? { const: values[0], enum: undefined } : {}

/** A union of components that a property's constant value tells apart gets a discriminator. */
const discriminatorOf = ({ anyOf }: Node, definitions: Node): Node => {
  const members = ((anyOf ?? []) as ReadonlyArray<{ $ref?: string }>).map(({ $ref = "" }) => ({
    $ref,
    properties: (definitions[$ref.split("/").at(-1) ?? ""] as Struct | undefined)?.properties ?? {},
  }))
  for (const propertyName of Object.keys(members[0]?.properties ?? {})) {
    const values = members.map(({ properties }) => properties[propertyName]?.enum ?? [])
    if (members.length < 2 || values.some(({ length }) => length !== 1)) continue
    const mapping = Object.fromEntries(members.map(({ $ref }, index) => [values[index]?.[0], $ref]))
    return { anyOf: undefined, oneOf: anyOf, discriminator: { propertyName, mapping } }
  }
  return {}
}
type Struct = { readonly properties?: Readonly<Record<string, { readonly enum?: ReadonlyArray<string> }>> }

/** A schema as the content of a JSON response in a route's description, with an example of it. */
export const jsonContent = (
  schema: Schema.Codec<unknown, unknown>,
  example: unknown,
): { "application/json": { schema: ReturnType<typeof resolver>; example: unknown } } => ({
  "application/json": { schema: resolver(Schema.toStandardSchemaV1(schema)), example },
})
