// Runs one execution: code on descriptor 3, event on 4, result to 5.
(() => {
  const fs = require('fs');
  const Module = require('module');
  const name = '/workspace/code.js';
  const text = fs.readFileSync(3, 'utf8');
  fs.closeSync(3);
  const env = process.env;
  const entry = env.SANDBOX_ENTRYPOINT;
  const explicit = env.SANDBOX_ENTRYPOINT_GIVEN === '1';
  const facts = JSON.parse(env.SANDBOX_CONTEXT);
  for (const key of ['SANDBOX_ENTRYPOINT', 'SANDBOX_ENTRYPOINT_GIVEN', 'SANDBOX_CONTEXT']) delete env[key];
  process.argv = [process.argv[0], name];
  const started = process.hrtime.bigint();

  // A pipe that does not block keeps 64 KiB; the rest would be lost when the process ends.
  for (const stream of ['stdout', 'stderr']) {
    const own = Object.getOwnPropertyDescriptor(process, stream);
    let made;
    Object.defineProperty(process, stream, { ...own, get() {
      if (!made) {
        made = own.get.call(process);
        if (made._handle && made._handle.setBlocking) made._handle.setBlocking(true);
      }
      return made;
    } });
  }

  const send = (text) => {
    const data = Buffer.from(text);
    let at = 0;
    while (at < data.length) at += fs.writeSync(5, data, at);
  };
  const fail = (type, message, stack) => {
    send(JSON.stringify({ error: { errorType: type, errorMessage: message, stackTrace: stack } }));
    process.exitCode = 1;
    process.exit(1);
  };
  const crash = (error) => {
    const known = error instanceof Error;
    const stack = known && error.stack ? String(error.stack) : 'Error: ' + String(error);
    const lines = stack.split('\n').filter((line) => !/\(?(node:internal|\[eval)/.test(line));
    fs.writeSync(2, lines.join('\n') + '\n');
    fail(known ? error.name : 'Error', known ? error.message : String(error), lines.slice(0, 200));
  };
  const deliver = (value) => {
    let body;
    try {
      body = value === undefined || typeof value === 'function' || typeof value === 'symbol'
        ? 'null' : JSON.stringify(value);
      if (body === undefined) body = 'null';
    } catch (error) {
      return fail('ReturnValueNotSerializable', error.message, []);
    }
    send('{"value":' + body + '}');
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  const context = {
    aws_request_id: facts.id, awsRequestId: facts.id,
    function_name: facts.name, functionName: facts.name,
    memory_limit_in_mb: facts.memory, memoryLimitInMB: facts.memory,
  };
  context.get_remaining_time_in_millis = context.getRemainingTimeInMillis = () =>
    Math.max(0, Math.floor(facts.timeout * 1000 - Number(process.hrtime.bigint() - started) / 1e6));

  const main = new Module(name, null);
  main.filename = name;
  main.paths = Module._nodeModulePaths('/workspace');
  main.id = '.';
  process.mainModule = main;
  // The top-level function is looked up by a last statement that the code cannot end before.
  const probe = '\n;module.__sandbox_entry = typeof ' + entry + ' === "function" ? ' + entry + ' : undefined;';
  try {
    main._compile(text + probe, name);
  } catch (error) {
    return crash(error);
  }
  const exported = main.exports && main.exports[entry];
  const handler = typeof exported === 'function' ? exported : main.__sandbox_entry;
  if (typeof handler !== 'function') {
    if (explicit) fail('HandlerNotFound', 'the code has no top-level or exported function named ' + entry, []);
    return;
  }
  const event = JSON.parse(fs.readFileSync(4, 'utf8'));
  fs.closeSync(4);
  // Nothing is left to do and the handler's promise is still open: it never will be settled.
  process.on('beforeExit', () => fail('HandlerNotSettled', 'the promise of ' + entry + ' is never settled', []));
  (async () => handler(event, context))().then((value) => { deliver(value); process.exit(process.exitCode || 0); }, crash);
})();
