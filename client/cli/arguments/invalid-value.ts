/** What the parser of a flag's value throws: the reason that ends `invalid argument "x" for "--flag" flag: reason`. */
export class InvalidValue extends Error {}
