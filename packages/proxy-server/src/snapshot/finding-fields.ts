import { Schema } from "effect"

/** A finding as it is stored and shown, without its code. */
export const findingFields = {
  uuid: Schema.NullOr(Schema.String),
  slug: Schema.NullOr(Schema.String),
  offering_slug: Schema.NullOr(Schema.String),
  field: Schema.String,
  found: Schema.Unknown,
  reason: Schema.String,
} as const
