export class Sum {
