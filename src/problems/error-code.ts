/** The code an error of Node, PostgreSQL or a library carries ("ENOENT", "23505"); empty where it has none. */
export const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
