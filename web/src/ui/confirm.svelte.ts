// One question with one dangerous answer; App.svelte shows it.
interface Question {
  title: string;
  body: string;
  yes: string;
  answer: (yes: boolean) => void;
}

let question = $state.raw<Question | null>(null);

export function openQuestion(): Question | null {
  return question;
}

export function confirm(title: string, body: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    question = {
      title, body, yes,
      answer: (agreed) => {
        question = null;
        resolve(agreed);
      },
    };
  });
}
