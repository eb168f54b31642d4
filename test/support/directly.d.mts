export function openDirectly(): void;
export function openAsTest(): void;
