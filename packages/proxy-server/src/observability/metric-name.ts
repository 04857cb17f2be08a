/**
 * A metric's exported name, in `/metrics` and at a collector: ours get a prefix; standard process metrics keep their
 * names.
 */
export const metricName = (name: string): string => (/^(process|nodejs)_/.test(name) ? name : `storage_proxy_${name}`)
