/** The spelling of base URLs: with or without slashes at the end. */

/** A URL or path without the slashes at its end. */
export const withoutTrailingSlashes = (url: string): string => url.replace(/(?<!\/)\/+$/, "")
