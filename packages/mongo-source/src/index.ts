export { MongoDataSource } from './mongo-source.ts'
