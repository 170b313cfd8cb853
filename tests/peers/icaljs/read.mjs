// From a JSON list of calendars on standard input to a JSON list of what ical.js reads in them (jCal, RFC 7265).
import ICAL from "ical.js";

let given = "";
for await (const chunk of process.stdin) given += chunk;
process.stdout.write(JSON.stringify(JSON.parse(given).map((text) => ICAL.parse(text))));
