// Requests that several suites make.

export const CHAT = {
  model: 'gpt-4o-mini',
  messages: [
    { role: 'system', content: 'You answer in one sentence.' },
    { role: 'user', content: 'Why is the sky blue? Grüße, 世界.' },
  ],
  max_completion_tokens: 60,
};

export const RESPONSE = {
  model: 'gpt-4.1-mini',
  input: 'Name three rivers.',
  max_output_tokens: 40,
};

/** For this model the gateway is configured to know how the provider keeps its limits. */
export const REFUSED = 'gpt-4.1-refused';

export const chat = (client) => client.chat.completions.create(CHAT);
export const streamedChat = (client) => client.chat.completions.create({ ...CHAT, stream: true });
export const streamedResponse = (client) => client.responses.create({ ...RESPONSE, stream: true });
