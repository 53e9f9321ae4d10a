export type { Order, Parser } from './settings.ts'
export { SqlDataSource } from './sql-source.ts'
