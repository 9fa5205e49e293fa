import type { RotatedEngine } from '../../../rotation/engine.ts';

export const rotation: RotatedEngine = {
  name: 'MongoDB and Amazon DocumentDB',
  driver:
    /^(mongodb|bson|mongodb-connection-string-url|whatwg-url|tr46|webidl-conversions|@mongodb-js\/saslprep|sparse-bitfield|memory-pager|punycode)$/,
  changeInLog: /"updateUser":"app_\w+","pwd":"xxx"|"command":"updateUser"/g,
  everyStatement: {},
  changeByAdmin: 'pwd',
  hasLock: false,
  adoption: ({ twin }) => `updateUser("${twin}"`,
};
