/** What was asked for can't be done, and nothing has been done: the message says what, and the process ends with code 2. */
export class Refused extends Error {}
