/**
 * The name that a metric goes by where it is shown, in `/metrics` as at a collector: ours have a prefix; those that are
 * known of every process keep theirs.
 */
export const metricName = (name: string): string => (/^(process|nodejs)_/.test(name) ? name : `storage_proxy_${name}`)
