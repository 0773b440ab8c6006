/** # Version: what this program calls itself to peers, clients and dashboards. */

/** As in package.json; a test compares them. */
export const NODE_VERSION = '0.1.0';
export const NODE_NAME = 'maiToken Node';
