import { mount } from 'svelte';
import App from './App.svelte';
import { applyLook, rememberedLook } from './state/app.svelte';
import { startRouter } from './state/router.svelte';
import './styles/tokens.css';
import './styles/base.css';
import './styles/prose.css';

applyLook(rememberedLook());
startRouter();
const target = document.getElementById('app');
if (target) mount(App, { target });
